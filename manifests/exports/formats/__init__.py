"""One module per format of `export`.

authors.py       the list format of the SINet authors' code (clovaai/ext_portrait_segmentation, its
coco.py          COCO instances: images/<id>.jpg and annotations/instances_<split>.json, one per split
cvat.py          cVAT "Segmentation mask 1.1", which is PASCAL VOC's layout with a label map: a zip
fiftyone.py      fiftyOne: a directory of the type `fiftyone.types.FiftyOneDataset`, which keeps
folders.py       plain folders: images/<id>.jpg, masks/<id>.png (0 and 255, or the stored
imagefolder.py   hugging Face imagefolder: train/, validation/ and test/, each with images/, masks/
label_studio.py  label Studio: tasks with the mask as a prediction, which an annotator sees, corrects
webdataset.py    webDataset: <split>-000000.tar, ...: per sample <id>.jpg, <id>.mask.png and
"""
