"""One module per format of `import --format`.

aisegment.py     AISegment: the transparency of cut-out persons
baidu.py         lists of `image mask`
coco.py          COCO instances: polygons and RLE of a category
cvat.py          CVAT "Segmentation mask 1.1" and PASCAL VOC segmentation: a directory or a zip
easyportrait.py  EasyPortrait: every class but the background
eg1800.py        EG1800: lists of names, and two folders
fiftyone.py      a FiftyOne dataset on disk
imagefolder.py   Hugging Face imagefolder with masks
label_studio.py  Label Studio's JSON: one annotation per task
label_studio_shapes.py  Label Studio's regions -> pixels
supervisely.py   a Supervisely project: bitmaps and polygons of a class
"""
