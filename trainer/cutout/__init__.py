"""Cutting people out of photographs and video: from a network's person probability to pictures somebody can use.

    roi.py          boxes around people, and pasting what was predicted in them back softly
    localizers.py   `--localizer`: where in a large scene the people are
    components.py   connected pieces of a probability map: small ones dropped, small holes filled
    guided.py       the guided filter: a probability's edge moved onto the photograph's
    matting.py      closed-form matting of the uncertain pixels
    refinement.py   `--refine`
    postprocess.py  all that is done to one probability map
    person.py       predictor + localizer + post-processing, as one predictor
    optical_flow.py how a frame's pixels moved
    smoothing.py    `--smooth`: one mask per frame that doesn't flicker
    alpha.py        person probability -> opacity
    foreground.py   the person's own colours, without those of what was behind
    background.py   blurred and replaced backgrounds
    views.py        `--write`: what is written of a picture
    inputs.py       what `--input` stands for: pictures, videos, a camera
    video.py        frames out of and into video files, one at a time
    outputs.py      the names of what is written, and their collisions
    stills.py       pictures -> files
    footage.py      videos -> files
    banding.py      large pictures, a band of rows at a time

Maps that vary smoothly (filter coefficients, estimated colours, blurred backgrounds) are made on a picture of at
most WORK_SIDE_PX a side and applied at the full size in bands, so that memory stays bounded on 8K photographs.
"""
