"""One module per format of `export`.

authors.py       the list format of the SINet authors' code
coco.py          COCO instances, a JSON file per split
cvat.py          CVAT "Segmentation mask 1.1": a zip or a directory
fiftyone.py      a FiftyOne dataset on disk
folders.py       plain folders of images and masks
imagefolder.py   Hugging Face imagefolder with masks
label_studio.py  Label Studio tasks, with the masks as predictions
mmsegmentation.py  MMSegmentation's folders, masks of 0 and 1
webdataset.py    WebDataset: tar files of samples
yolo.py          YOLO segmentation: the mask's outlines as polygons
"""
