"""Pixels: images, masks, boxes, and the metrics between masks.

brush_rle.py         Label Studio's run-length encoding of a brush mask
colors.py            colours that mean the same on every page and plot
contact_sheet.py     contact sheet of samples, for looking at them
geometry.py          `Box`, cropping and pasting an ROI
image_files.py       the image files that a path stands for
image_formats.py     HEIC and JPEG XL, which Pillow reads by other packages
images.py            bytes -> RGB pixels, or `UnusableImage` with a reason
inverted_masks.py    whether masks mark the background
mask_encoding.py     what the stored values of a dataset's masks mean
mask_values.py       a mask's file as others write it -> its stored values
masks.py             the mask PNG
metrics.py           the three metrics of DESIGN, from masks bool (H, W) at the mask's own size
onnx_description.py  what an ONNX file's input and output mean, as JSON
onnx_segmenter.py    a person segmenter in an ONNX file, with its JSON description
rle.py               COCO's run-length encoding of a mask
"""
