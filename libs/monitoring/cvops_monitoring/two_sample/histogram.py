"""Histograms by the quantiles of a reference, safe for ties and constants."""

import numpy as np

from cvops_monitoring.arrays import F64, I64, FloatArray


def quantile_edges(x_ref: FloatArray, bins: int) -> F64:
    """Inner edges (at most bins - 1, ascending, all different) between about equally filled bins of a sample (N,)."""
    finite = np.asarray(x_ref, np.float64)[np.isfinite(x_ref)]
    if not len(finite):
        return np.zeros(0)
    return np.unique(np.quantile(finite, np.arange(1, bins) / bins, method="inverted_cdf"))


def counts(x: FloatArray, edges: F64) -> I64:
    """Values of x (n,) in each of len(edges) + 1 bins; an edge belongs to the bin below it."""
    finite = np.asarray(x, np.float64)[np.isfinite(x)]
    return np.bincount(np.searchsorted(edges, finite, "left"), minlength=len(edges) + 1).astype(np.int64)
