"""Pictures of training, predictions and layers: needs matplotlib, `pip install "pyseq-nn[plot]"`.

Every function returns a matplotlib `Figure` and shows nothing by itself: a notebook shows what a
cell returns, a script calls `figure.savefig("name.png")` or `matplotlib.pyplot.show()`. With `ax=`
it draws into axes of yours. Data may be lists or arrays. The colours are those of Okabe and Ito
(Color Universal Design, 2008), which the colour-blind tell apart; lines differ in dashes too.
"""

from pyseq import lazy

_MODULES = {
    "classification": "calibration_curve confusion_matrix precision_recall_curve roc_curve",
    "convolutions": "activations filters",
    "curves": "learning_curves",
    "gallery": "error_gallery",
    "gradients": "input_gradients saliency",
    "regression": "predictions",
}

__getattr__, __dir__, __all__ = lazy.package(__name__, _MODULES)
