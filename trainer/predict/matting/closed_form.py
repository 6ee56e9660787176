"""Closed-form matting (Levin, Lischinski and Weiss, PAMI 2008) of the pixels of uncertain probability.

Colours in a small window are taken to lie on a line between one foreground and one background colour. Sure
pixels are given; the others solve a sparse linear system, at MATTING_SIDE_PX, and is enlarged with the
photograph as its guide.
"""

import cv2
import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix, csr_matrix, diags
from scipy.sparse.linalg import cg

from manifests.pixels.geometry import Pixels
from manifests.pixels.masks import Mask
from manifests.pixels.onnx_segmenter import Prob
from trainer.predict.matting.guided_filter import LinearFit
from trainer.predict.strips import shrunk, shrunk_like

MATTING_SIDE_PX = 400  # of the longer side; time grows with the uncertain pixels
TOLERANCE, MAX_ITERATIONS = 1e-3, 200  # of conjugate gradients: the remaining error is below a grey level
SURE_PROB = 0.95  # and 1 - it: given, not solved for
BAND_PX = 5  # added to the uncertain pixels: sure pixels next to an edge are the least reliable ones
PRIOR_WEIGHT = 0.01  # of the network's probability of uncertain pixels, against the windows' colours
EPSILON = 1e-5  # on windows' covariances, the paper's
ENLARGING_RADIUS_PX = 2
WINDOW_PX = 9  # pixels in a window of 3 x 3


def matting_refinement(prob: Prob, rgb: Pixels) -> Prob:
    """Person probability float32 (H, W) and its RGB (H, W, 3) -> opacity of the person, float32 (H, W)."""
    small = shrunk(rgb, MATTING_SIDE_PX)
    small_prob = shrunk_like(prob, small)
    alpha = solved_matte(small_prob, small, uncertain_band(small_prob))
    if small is rgb:
        return alpha
    fit = LinearFit.of(small, alpha, radius_px=ENLARGING_RADIUS_PX, epsilon=EPSILON)
    enlarged = fit.applied(rgb)
    sure = cv2.resize(uncertain_band(small_prob).astype(np.float32), rgb.shape[1::-1]) == 0
    return np.where(sure, prob, enlarged)


def uncertain_band(prob: Prob) -> Mask:
    """float (H, W) -> bool (H, W): neither surely person nor surely not, and BAND_PX around."""
    unsure = ((prob < SURE_PROB) & (prob > 1 - SURE_PROB)).astype(np.uint8)
    side = 2 * BAND_PX + 1
    return cv2.dilate(unsure, np.ones((side, side), np.uint8)) > 0


def solved_matte(prob: Prob, rgb: Pixels, unknown: Mask) -> Prob:
    """Opacity float32 (h, w): `prob` where it is known, else solved from windows' colours and, weakly, `prob`."""
    if not unknown.any() or min(prob.shape) < 3:
        return prob
    laplacian = _laplacian(rgb.astype(np.float64) / 255, unknown)
    free = np.flatnonzero(unknown)
    known = np.where(unknown, 0.0, prob).ravel()
    system = laplacian[free][:, free] + PRIOR_WEIGHT * diags(np.ones(len(free)))
    right = PRIOR_WEIGHT * prob.ravel()[free] - laplacian[free] @ known
    alpha = prob.ravel().copy()
    jacobi = diags(1 / system.diagonal())
    solution, _ = cg(system, right, x0=alpha[free], rtol=TOLERANCE, maxiter=MAX_ITERATIONS, M=jacobi)
    alpha[free] = np.clip(solution, 0, 1)
    return alpha.reshape(prob.shape)


def _laplacian(rgb: npt.NDArray[np.float64], unknown: Mask) -> csr_matrix:
    """The matting Laplacian (h * w, h * w) of the windows that hold an unknown pixel; the paper's equation 12."""
    height, width = unknown.shape
    numbers = np.arange(height * width).reshape(height, width)
    windows = np.lib.stride_tricks.sliding_window_view(numbers, (3, 3))  # (h - 2, w - 2, 3, 3)
    touching = cv2.dilate(unknown.astype(np.uint8), np.ones((3, 3), np.uint8))[1:-1, 1:-1] > 0
    members = windows[touching].reshape(-1, WINDOW_PX)  # (M, 9)
    colours = rgb.reshape(-1, 3)[members]  # (M, 9, 3)
    centred = colours - colours.mean(axis=1, keepdims=True)
    covariance = centred.transpose(0, 2, 1) @ centred / WINDOW_PX + EPSILON / WINDOW_PX * np.eye(3)
    affinity = (1 + centred @ np.linalg.solve(covariance, centred.transpose(0, 2, 1))) / WINDOW_PX  # (M, 9, 9)
    values = np.eye(WINDOW_PX) - affinity
    rows, columns = np.repeat(members, WINDOW_PX, axis=1), np.tile(members, WINDOW_PX)
    shape = height * width, height * width
    return coo_matrix((values.ravel(), (rows.ravel(), columns.ravel())), shape).tocsr()
