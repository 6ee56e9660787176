"""Cutting people out of photographs and video: from a network's person probability to pictures somebody can use.

    __main__.py          the command line
    components.py        connected pieces of a probability map: small ones dropped, small holes filled
    cutting.py           all inputs of one call
    images.py            images -> files
    inputs.py            what `--input` stands for: images, videos, a camera
    options.py           the command-line options
    output_kinds.py      `--write`: what is written of an image
    outputs.py           the names of what is written, and their collisions
    person_predictor.py  predictor + localizer + post-processing, as one predictor
    postprocess.py       all that is done to one probability map
    strips.py            large images, a band of rows at a time
    videos.py            videos -> files
    localize/            where in a large scene the people are
    matting/             from probability to opacity, colours and backgrounds
    video/               frames, motion, smoothing

Maps that vary smoothly (filter coefficients, estimated colours, blurred backgrounds) are made on a picture of at
most WORK_SIDE_PX a side and applied at the full size in bands, so that memory stays bounded on 8K photographs.
"""
