"""Pixels: images, masks, boxes, and the metrics between masks.

brush_rle.py         Label Studio's run-length encoding of a brush mask
colors.py            colours that mean the same on every page and plot
contact_sheet.py     contact sheet of samples
geometry.py          `Box`, and cropping an ROI
image_files.py       the image files that a path stands for
image_formats.py     HEIC and JPEG XL, which Pillow reads with other packages
images.py            bytes -> RGB pixels, or `UnusableImage` with a reason
inverted_masks.py    detects masks that mark the background
letterbox.py         images with their aspect kept on a canvas
mask_encoding.py     the meaning of the stored values of a dataset's masks
mask_values.py       a third-party mask file -> its stored values
masks.py             the mask PNG
metrics.py           `miou`, `person_iou_per_image`, `boundary_f1`, from masks bool (H, W)
onnx_description.py  an ONNX file's input and output, described as JSON
onnx_providers.py    ONNX Runtime's execution providers for a device
onnx_segmenter.py    a person segmenter in an ONNX file, with its JSON description
outlines.py          a mask's connected pieces as polygons
rle.py               COCO's run-length encoding of a mask
"""
