"""Pictures of training, predictions and layers: needs matplotlib, `pip install "pyseq-nn[plot]"`.

Every function returns a matplotlib `Figure` and shows nothing by itself: a notebook shows what a
cell returns, a script calls `figure.savefig("name.png")` or `matplotlib.pyplot.show()`. With `ax=`
it draws into axes of yours. Data may be lists or arrays. The colours are those of Okabe and Ito
(Color Universal Design, 2008), which the colour-blind tell apart; lines differ in dashes too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyseq import lazy

_MODULES = {
    "classification": "calibration_curve confusion_matrix precision_recall_curve roc_curve",
    "convolutions": "activations filters",
    "curves": "learning_curves",
    "gallery": "error_gallery",
    "gradients": "input_gradients saliency",
    "regression": "predictions",
}

if TYPE_CHECKING:
    from pyseq.visualize.classification import (
        calibration_curve as calibration_curve,
        confusion_matrix as confusion_matrix,
        precision_recall_curve as precision_recall_curve,
        roc_curve as roc_curve,
    )
    from pyseq.visualize.convolutions import activations as activations, filters as filters
    from pyseq.visualize.curves import learning_curves as learning_curves
    from pyseq.visualize.gallery import error_gallery as error_gallery
    from pyseq.visualize.gradients import (
        input_gradients as input_gradients,
        saliency as saliency,
    )
    from pyseq.visualize.regression import predictions as predictions
else:
    __getattr__, __dir__, __all__ = lazy.package(__name__, _MODULES)
