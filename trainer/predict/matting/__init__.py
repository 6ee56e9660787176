"""From person probability to opacity, colours and backgrounds.

background.py     blurred and replaced backgrounds
closed_form.py    closed-form matting of the uncertain pixels
foreground.py     the person's own colours, without the background's
guided_filter.py  the guided filter: moves a mask's edge onto the image's
opacity.py        person probability -> opacity
refinement.py     `--refine`
"""
