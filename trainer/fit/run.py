"""One run of trainer.fit: started, resumed, or reported as finished -> OUTPUT/best.safetensors."""

import argparse
from pathlib import Path

from manifests.files.blobs import sha256_hex
from manifests.store.manifest import Manifest
from trainer.data.backgrounds import background_files
from trainer.data.rank_slice import check_shares
from trainer.fit.configuration import Configuration, DataOptions
from trainer.fit.distributed import check_processes, launch, on_first, open_fabric
from trainer.fit.fit_run import build_run
from trainer.fit.live_teachers import open_live_teachers
from trainer.fit.loop import fit
from trainer.fit.malloc import keep_freed_memory
from trainer.fit.options import SIZE_PX, recipe_from
from trainer.fit.report import CARD
from trainer.fit.run_state import load_progress
from trainer.fit.trackers import check_installed
from trainer.inference.predictors import open_predictor
from trainer.weights.checkpoint_files import BEST
from trainer.weights.starting_weights import checkpoint_file, open_initial


def fit_or_resume(options: argparse.Namespace) -> None:
    """Fit or resume the run of the `options` of trainer.fit; UserError when --output holds another run."""
    check_installed(options.logger)
    fabric = open_fabric(options.device, options.devices, options.precision)
    manifest = Manifest.open(options.manifest, data_root=options.data)
    if options.backgrounds:
        background_files(options.backgrounds)  # now: samples and teachers' outputs take minutes
    teachers = [open_predictor(path, fabric.device) for path in options.distill]
    live_teachers = open_live_teachers(options.distill_live, fabric.device) if options.distill_live else None
    init_file = checkpoint_file(options.init) if options.init else None
    initial = open_initial(options.init) if options.init else None
    output = options.output or Path("runs") / f"{options.model.replace(':', '-')}-{manifest.path.stem}"
    recipe = recipe_from(options)
    model_options = {"gate": options.gate, "branches": options.branches}
    configuration = Configuration(
        model=options.model,
        manifest_digest=manifest.digest,
        seed=options.seed,
        size_px=options.size or (initial.fitted_with.size_px if initial else SIZE_PX),
        recipe=recipe,
        model_options={name: value for name, value in model_options.items() if value is not None},
        encoder_weights=None if options.encoder_weights == "none" else options.encoder_weights,
        data=DataOptions(
            limit=options.limit,
            source_weights=dict(options.weight),
            skip_bad=options.skip_bad,
            backgrounds=str(options.backgrounds) if options.backgrounds else None,
            teachers=[teacher.digest for teacher in teachers],
            live_teachers=live_teachers.digests if live_teachers else [],
        ),
        init_sha256=sha256_hex(init_file.read_bytes()) if init_file else None,
        precision=options.precision,
    )
    for batch_size in (recipe.batch_size, *([recipe.encoder_batch_size] if recipe.encoder_epochs else [])):
        check_shares(batch_size, fabric.world_size)
    check_processes(recipe, fabric.world_size)
    launch(fabric)
    keep_freed_memory()
    progress = on_first(fabric, lambda: load_progress(output, configuration))
    trained = progress.stage == 1 and progress.epoch == recipe.epochs
    if trained and (output / CARD).exists():  # the card is written last
        print(f"{output} is finished: {progress.epoch} epochs, the best is epoch {progress.best_epoch}")
    else:
        run = build_run(
            fabric, manifest, configuration, output, progress,
            compile_network=options.compile, initial=initial, teachers=teachers, live_teachers=live_teachers,
            seconds=options.minutes * 60 if options.minutes else None, trackers=options.logger,
        )  # fmt: skip
        if progress.epoch:
            print(f"resuming {output} after epoch {progress.epoch}")
        if not fit(run, progress):
            print(output)
            return
    print(output / BEST)
