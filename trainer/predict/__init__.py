"""Cutting people out of photographs and video, from a network's person probability to finished images.

    __main__.py          the command line
    components.py        connected pieces of a probability map: small ones dropped, small holes filled
    cutting.py           all inputs of one call
    images.py            images -> files
    inputs.py            `--input`: images, videos, a camera
    options.py           the command-line options
    output_kinds.py      `--write`: the kinds of output
    outputs.py           names of outputs, and their collisions
    person_predictor.py  predictor + localizer + post-processing, as one predictor
    postprocess.py       all operations on one probability map
    strips.py            large images, a band of rows at a time
    videos.py            videos -> files
    localize/            locating people in a large scene
    matting/             from probability to opacity, colours and backgrounds
    video/               frames, motion, smoothing

Maps that vary smoothly (filter coefficients, estimated colours, blurred backgrounds) are made on an image of at
most WORK_SIDE_PX a side and applied at the full size in bands, so that memory stays bounded on 8K photographs.
"""
