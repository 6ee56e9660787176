"""`maskfoundry COMMAND`: every command of the project under one installed name; `python -m MODULE` runs the same."""

import runpy
import sys
from typing import NoReturn

from manifests import __version__

COMMANDS = {  # name -> the module that `python -m` runs, with its first arguments, and its summary
    "run": ("manifests.run", "Label photographs, and review their masks meanwhile."),
    "generate": ("pipeline.generate", "Label photographs, or crop full-body images with masks."),
    "sample": ("pipeline.sample", "Write a portrait to try the others on."),
    "try-teacher": ("pipeline.try_teacher", "Draw a few masks of teachers side by side."),
    "evaluate-teacher": ("pipeline.evaluate", "Measure teachers on masks you trust."),
    "label-studio": ("pipeline.bridges.label_studio", "Serve a teacher as Label Studio's ML backend."),
    "second-opinion": ("pipeline.second_opinion", "Compare the queue's masks with a student's."),
    "face-attributes": ("pipeline.face_attributes", "Count faces and measure their pose, for slices."),
    "fit-doubt": ("pipeline.fit_doubt", "Fit the model of doubt on masks you trust."),
    "review": ("review_ui", "Open the page on which people accept, reject and repair masks."),
    "manifests": ("manifests", "Look at versions, compare, check, publish, import, export, ..."),
    "fit": ("trainer.fit", "Fit a student on the accepted masks of a version."),
    "evaluate": ("trainer.evaluate", "Measure a student."),
    "compare": ("trainer.compare", "Find out which choices help a student."),
    "suspects": ("trainer.suspects", "List accepted masks that look wrong to a student."),
    "predict": ("trainer.predict", "Cut people out of images and videos."),
    "export": ("trainer.export", "Write a student as ONNX, OpenVINO, ncnn, CoreML or TFLite."),
    "demo": ("trainer.demo", "Compare students on an image, in the browser."),
    "web-demo": ("trainer.web_demo", "Write a site that runs a student in the browser."),
    "import-weights": ("trainer.import_weights", "Turn weights of other projects into a checkpoint."),
    "image-encoder": ("trainer.image_encoder", "Write a student's encoder as ONNX, for embeddings of images."),
    "doctor": ("manifests doctor", "Check this machine: disk, write access, SQLite, cores, browser, port."),
}


def main() -> NoReturn:
    """Run the command that `sys.argv` names, and exit with its status; 2 without one."""
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_overview())
        sys.exit(0 if arguments else 2)
    if arguments[0] == "--version":
        print(__version__)
        sys.exit(0)
    if arguments[0] not in COMMANDS:
        print(f"error: expected a command out of {', '.join(COMMANDS)}, found {arguments[0]!r}", file=sys.stderr)
        sys.exit(2)
    module, *first = COMMANDS[arguments[0]][0].split()
    sys.argv = [module, *first, *arguments[1:]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
    sys.exit(0)


def _overview() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {summary}" for name, (_, summary) in COMMANDS.items()]
    return "\n".join(
        ["usage: maskfoundry COMMAND ...", "", *lines, "", "`maskfoundry COMMAND --help` lists a command's options."]
    )
