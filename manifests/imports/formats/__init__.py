"""One module per format of `import --format`.

aisegment.py     AISegment: the transparency of cut-out persons
baidu.py         lists of `image mask`
coco.py          COCO instances: polygons and RLE of a category
coco_files.py    COCO's JSON files, instances or panoptic
coco_panoptic.py  COCO panoptic: a PNG of segments an image
cutouts.py       cut-out persons: the transparency is the mask
cvat.py          CVAT "Segmentation mask 1.1" and PASCAL VOC segmentation: a directory or a zip
cvat_images.py   CVAT "CVAT for images 1.1": masks, polygons and ellipses
easyportrait.py  EasyPortrait: every class but the background
eg1800.py        EG1800: lists of names, and two folders
fiftyone.py      a FiftyOne dataset on disk
fiftyone_detections.py  its Detections with instance masks
imagefolder.py   Hugging Face imagefolder with masks
label_studio.py  Label Studio's JSON: one annotation per task
label_studio_shapes.py  Label Studio's regions -> pixels
labelme.py       labelme's JSON files: polygons, masks and circles
parquet.py       Parquet with embedded images, as Hugging Face's hub holds them
person_drawing.py  polygons and masks of one image's person, united
supervisely.py   a Supervisely project: bitmaps, alpha masks and polygons of a class
voc_labels.py    the labels and colours of class masks
yolo.py          YOLO segmentation: polygons of a class
"""
