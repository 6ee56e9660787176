"""Choices of a recipe that exclude each other. Loads no torch."""

from trainer.fit.recipe import Recipe


def contradictions(recipe: Recipe, *, stored_teachers: bool, live_teachers: bool) -> list[str]:
    """One line for each contradiction: the expected option, the one found beside it, the reason."""
    return [line for wrong, line in _rules(recipe, stored_teachers, live_teachers) if wrong]


def _rules(recipe: Recipe, stored_teachers: bool, live_teachers: bool) -> list[tuple[bool, str]]:
    mixes = recipe.mixup > 0 or recipe.cutmix > 0
    mixing = "--mixup" if recipe.mixup else "--cutmix"
    loss, temperature = recipe.distill_loss, recipe.temperature
    return [
        (stored_teachers and live_teachers, "expected --distill or --distill-live, found both; remove one"),
        (
            stored_teachers and recipe.loss == "lovasz",
            "expected another --loss with --distill, found lovasz: it takes no shares, so no teachers' probabilities",
        ),
        (
            not live_teachers and loss != "ce",
            f"expected --distill-live with --distill-loss {loss}, found none: --distill mixes targets, for ce alone",
        ),
        (
            not live_teachers and temperature != 1,
            f"expected --distill-live with --temperature {temperature:g}, found none: --distill mixes the targets",
        ),
        (live_teachers and not recipe.distill_share, "expected --distill-share above 0 with --distill-live, found 0"),
        (
            live_teachers and loss in ("cwd", "bpkd") and recipe.distill_share == 1,
            f"expected --distill-share below 1 with --distill-loss {loss}, found 1: the masks fix the constant on all "
            "logits, which it leaves open",
        ),
        (
            live_teachers and loss == "bpkd" and not recipe.boundary_weight,
            "expected --boundary-weight above 0 with --distill-loss bpkd, found 0: it is the weight of the boundary",
        ),
        (recipe.mixup > 0 and recipe.cutmix > 0, "expected --mixup or --cutmix, found both; set one to 0"),
        (
            recipe.mixup > 0 and recipe.loss == "lovasz",
            "expected another --loss with --mixup, found lovasz: it takes no shares, as mixed labels are",
        ),
        (
            recipe.mixup > 0 and recipe.crf > 0,
            f"expected --crf 0 with --mixup, found {recipe.crf:g}: mixed labels are shares, it asks for 0 and 1",
        ),
        (
            mixes and recipe.connectivity > 0,
            f"expected --connectivity 0 with {mixing}, found {recipe.connectivity:g}: mixed images have parts of two",
        ),
        (
            mixes and recipe.consistency > 0,
            f"expected --consistency 0 with {mixing}, found {recipe.consistency:g}: both views would need one mixture",
        ),
        (
            recipe.consistency > 0 and recipe.augmentation == "none",
            "expected --augmentation other than none with --consistency, found none: both views would be equal",
        ),
    ]
