"""Monitoring beside its targets and the customary monitor: false alarms, delays, exactness, speed. Fixed seeds."""

import resource
import time
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import simplejpeg
from scipy import stats

from cvops_drift.camera_watch import CameraWatch
from cvops_drift.surroundings import Surroundings
from cvops_monitoring.context.time_of_day import DAY_S, DailyCycle, fit_daily_cycle
from cvops_monitoring.sequential.bernoulli import MeanBound, MeanShiryaevRoberts
from cvops_monitoring.sequential.bootstrap import block_length, correlation_time
from cvops_monitoring.sequential.ewma_bank import GRID
from cvops_monitoring.stream.embedding import EmbeddingDetector, EmbeddingReference, calibrate_embedding
from cvops_monitoring.stream.frames import Frames
from cvops_monitoring.stream.settings import MonitorSettings
from cvops_monitoring.two_sample.divergence import divergences
from cvops_monitoring.two_sample.ks import KsReference, ks_2samp
from cvops_protos.v1.prediction_pb2 import Prediction
from cvops_vision.decode import decode_rgb
from cvops_vision.probe import probe
from cvops_vision.statistics import image_stats
from tests.bench.table import markdown
from tests.drift.conftest import predictions_of
from tests.monitoring.frames import quiet_frames

DIMS, REFERENCE, STRIDE, WINDOW = 128, 2000, 50, 500
ARL = 1e5
STREAM = 10_000
Draw = Callable[[int], np.ndarray]


@dataclass(frozen=True)
class Null:
    """A law without change: draws a stream of given length, and the times of its frames."""

    draw: Draw
    reference: int
    streams: int
    references: int
    times: Callable[[int], np.ndarray] | None = None


def _ar(rng: np.random.Generator, n: int, rho: float = 0.9) -> np.ndarray:
    x = rng.standard_normal((n, DIMS)).astype(np.float32)
    x[1:] *= np.float32((1 - rho**2) ** 0.5)
    for t in range(1, n):
        x[t] += np.float32(rho) * x[t - 1]
    return x


def _calibrated(x: np.ndarray, arl: float, rng: np.random.Generator) -> EmbeddingReference:
    return calibrate_embedding(x, arl, block_length(correlation_time(x), len(x)), DIMS, rng)


def _alarms(reference: EmbeddingReference, x: np.ndarray) -> int:
    """Alarms in a stream; after each the detector starts anew."""
    detector, alarms = EmbeddingDetector(reference), 0
    for begin in range(0, len(x) - GRID + 1, GRID):
        if (detector.push(_frames(x[begin : begin + GRID])).ratio > 1).any():
            alarms += 1
            detector = EmbeddingDetector(reference)
    return alarms


def _frames(x: np.ndarray) -> Frames:
    n = len(x)
    empty = np.empty(n)
    return Frames(empty, x, empty, np.empty((n, 0)), np.empty((n, 0), np.int64), empty, ("",) * n)


def _naive(x_ref: np.ndarray, x: np.ndarray) -> int:
    """Looks in which a sliding KS test with Bonferroni over dimensions rejects at 5 %."""
    reference = KsReference(x_ref)
    looks = range(WINDOW, len(x) + 1, STRIDE)
    return sum(bool(reference.test(x[end - WINDOW : end]).p_value.min() * DIMS < 0.05) for end in looks)


def _null_rate(null: Null, arl: float, rng: np.random.Generator) -> tuple[float, float]:
    """Alarms per 1,000 windows of ours and of the customary monitor."""
    ours = theirs = windows = their_looks = 0
    for _ in range(null.references):
        x_ref = null.draw(null.reference)
        cycle = fit_daily_cycle(x_ref, null.times(len(x_ref))) if null.times else DailyCycle(np.zeros((0, DIMS)))
        times = null.times
        reference = _calibrated(cycle.remove(x_ref, times(len(x_ref)) if times else np.zeros(0)), arl, rng)
        for number in range(null.streams):
            x = null.draw(STREAM)
            ours += _alarms(reference, cycle.remove(x, times(len(x)) if times else np.zeros(0)))
            windows += STREAM // STRIDE
            if number == 0:
                theirs += _naive(x_ref[-REFERENCE:], x)
                their_looks += (STREAM - WINDOW) // STRIDE + 1
    return 1000 * ours / windows, 1000 * theirs / their_looks


def _changed(kind: str, n: int, rng: np.random.Generator) -> np.ndarray:
    x = rng.standard_normal((n, DIMS)).astype(np.float32)
    if kind == "mean 2 sigma":
        x += 2 / DIMS**0.5
    elif kind == "mean 1 sigma":
        x += 1 / DIMS**0.5
    elif kind == "variance x1.1":
        x *= np.float32(1.1**0.5)
    elif kind == "correlation .4 in 16":
        x[:, :16] = 0.6**0.5 * x[:, :16] + 0.4**0.5 * rng.standard_normal((n, 1))
    elif kind == "10 % far":
        x[rng.random(n) < 0.1] += 6 / DIMS**0.5
    else:
        x += 6 / DIMS**0.5
    return x


DELAYS = {
    "mean 2 sigma": (60, 40),
    "mean 1 sigma": (250, 155),
    "variance x1.1": (80, 40),
    "correlation .4 in 16": (400, 265),
    "10 % far": (350, 160),
    "all far": (15, 6),
}


def _delays(rng: np.random.Generator, runs: int = 9) -> dict[str, tuple[float, float]]:
    """Median frames from change to alarm, of ours and of the customary monitor (inf: not within 4,500)."""
    ours: dict[str, list[float]] = {kind: [] for kind in DELAYS}
    theirs: dict[str, list[float]] = {kind: [] for kind in DELAYS}
    quiet = 1504
    for _ in range(runs):
        x_ref = rng.standard_normal((REFERENCE, DIMS)).astype(np.float32)
        reference, ks = _calibrated(x_ref, ARL, rng), KsReference(x_ref)
        for kind in DELAYS:
            x = np.concatenate([rng.standard_normal((quiet, DIMS)).astype(np.float32), _changed(kind, 4496, rng)])
            detector = EmbeddingDetector(reference)
            ratio = [(detector.push(_frames(x[i : i + GRID])).ratio > 1).any() for i in range(0, len(x), GRID)]
            late = [(i + 1) * GRID - quiet for i, alarm in enumerate(ratio) if alarm and i * GRID >= quiet]
            ours[kind].append(late[0] if late else np.inf)
            ends = range(quiet + STRIDE, len(x) + 1, STRIDE)
            found = (end - quiet for end in ends if ks.test(x[end - WINDOW : end]).p_value.min() * DIMS < 0.05)
            theirs[kind].append(next(found, np.inf))
    return {kind: (float(np.median(ours[kind])), float(np.median(theirs[kind]))) for kind in DELAYS}


def _labels(rng: np.random.Generator) -> float:
    delays = []
    for _ in range(101):
        detector = MeanShiryaevRoberts([MeanBound("up", 0.10)])
        detector.push((rng.random((2000, 1)) < 0.1).astype(float))
        evidence = detector.push((rng.random((3000, 1)) < 0.2).astype(float))
        delays.append(int(np.argmax(evidence > np.log(ARL))) + 1)
    return float(np.median(delays))


def _divergence_rates(rng: np.random.Generator) -> tuple[float, float]:
    """Least and greatest false positive rate at nominal 5 %, over sizes, classes and statistics."""
    rates = []
    for n in (50, 200):
        for classes in (3, 10, 30):
            rejected, draws = np.zeros(3), 1500
            shares = rng.dirichlet(np.full(classes, 0.5))
            for _ in range(draws):
                found = divergences(rng.multinomial(2000, shares), rng.multinomial(n, shares), rng)
                rejected += [each.p_value <= 0.05 for each in (found.psi, found.jensen_shannon, found.chi_square)]
            rates += (rejected / draws).tolist()
    return min(rates), max(rates)


def _ks(rng: np.random.Generator) -> tuple[float, float]:
    """Greatest difference to scipy, and how many times faster 128 columns are tested."""
    worst = 0.0
    for i in range(300):
        n, m = rng.integers(1, 300, 2)
        x_ref, x = rng.standard_normal(n), rng.standard_normal(m)
        if i % 2:
            x_ref, x = np.round(x_ref), np.round(x)
        expected, found = stats.ks_2samp(x_ref, x, method="asymp"), ks_2samp(x_ref, x)
        worst = max(worst, abs(expected.statistic - found.statistic[0]), abs(expected.pvalue - found.p_value[0]))
    x_ref, x = rng.standard_normal((REFERENCE, DIMS)), rng.standard_normal((WINDOW, DIMS))
    reference = KsReference(x_ref)
    ours_s = min(_cpu_s(lambda: reference.test(x)) for _ in range(7))
    theirs_s = min(_cpu_s(lambda: [stats.ks_2samp(x_ref[:, d], x[:, d]) for d in range(DIMS)]) for _ in range(3))
    return worst, theirs_s / ours_s


def _service(rng: np.random.Generator, cameras: int = 200) -> tuple[float, float]:
    """Predictions a second of one core, from bytes to decisions, and MB of memory per camera."""
    settings, around = MonitorSettings(reference_frames=512, reference_span_s=0), Surroundings()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    watches = [CameraWatch(f"camera-{i}", settings) for i in range(cameras)]
    for watch in watches:
        watch.on_predictions(predictions_of(quiet_frames(rng, 512, dims=DIMS), watch.camera_id), around)
    memory_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 / cameras
    frames = quiet_frames(rng, 100, 1.7e9 + 1000, dims=DIMS)
    bodies = [each.SerializeToString() for each in predictions_of(frames, "camera")]

    def run() -> None:
        for watch in watches:
            for begin in range(0, len(bodies), 20):
                some = [Prediction.FromString(body) for body in bodies[begin : begin + 20]]
                watch.on_predictions(some, around)

    return cameras * len(bodies) / _cpu_s(run), memory_mb


def _image_statistics(rng: np.random.Generator) -> float:
    """CPU-ms of decoding a 640x480 JPEG reduced and computing its statistics."""
    coarse = rng.integers(0, 255, (60, 80, 3), dtype=np.uint8)
    image = cv2.resize(coarse, (640, 480), interpolation=cv2.INTER_CUBIC)
    data = simplejpeg.encode_jpeg(np.ascontiguousarray(image), quality=90)
    info = probe(data)

    def run() -> None:
        for _ in range(50):
            reduced = decode_rgb(data, info, min_width=320, min_height=240)
            image_stats(reduced, n_bytes=len(data), width=640, height=480)

    return 1e3 * min(_cpu_s(run) for _ in range(3)) / 50


def _cpu_s(function: Callable[[], object]) -> float:
    began_s = time.process_time()
    function()
    return time.process_time() - began_s


def main() -> str:
    """Runs the benchmark and gives its table."""
    cv2.setNumThreads(1)
    rng = np.random.default_rng(20261123)
    half = np.zeros(DIMS, np.float32)
    half[:4] = 0.5

    def times(n: int) -> np.ndarray:
        return np.arange(n) * DAY_S / 5000 if n == STREAM else np.arange(n) * DAY_S / REFERENCE

    def daily(n: int) -> np.ndarray:
        wave = np.sin(2 * np.pi * times(n) / DAY_S)[:, None].astype(np.float32)
        return rng.standard_normal((n, DIMS)).astype(np.float32) + wave * half

    iid = Null(lambda n: rng.standard_normal((n, DIMS)).astype(np.float32), REFERENCE, 10, 8)
    correlated = Null(lambda n: _ar(rng, n), 20_000, 8, 4)
    rows: list[tuple[str, str, str, str, str]] = []
    for name, null, must, great in (
        ("i.i.d. null: alarms per 1,000 windows", iid, ".5", ".15"),
        ("AR(.9) null: alarms per 1,000 windows", correlated, "1.0", ".5"),
        ("day/night cycle: alarms per 1,000 windows", Null(daily, REFERENCE, 8, 5, times), "1.0", ".5"),
    ):
        ours, theirs = _null_rate(null, ARL, rng)
        rows.append((name, f"{ours:.2f}", must, great, f"{theirs:.0f}"))
    rate, _ = _null_rate(iid, 1e4, rng)
    rows.append(
        ("measured / requested ARL (10,000 frames)", f"{1000 * STRIDE / max(rate, 1e-9) / 1e4:.1f}", ".7-5", "1-3", "-")
    )
    for kind, (ours, theirs) in _delays(rng).items():
        must_frames, great_frames = DELAYS[kind]
        rows.append(
            (f"{kind}: median delay, frames", f"{ours:.0f}", f"{must_frames}", f"{great_frames}", f"{theirs:.0f}")
        )
    rows.append(("error rate 10 -> 20 %: labels to alarm", f"{_labels(rng):.0f}", "300", "150", "-"))
    low, high = _divergence_rates(rng)
    rows.append(("PSI, JS, chi-square: false positives at 5 %", f"{low:.1%}-{high:.1%}", "3-7 %", "4-6 %", "-"))
    worst, faster = _ks(rng)
    rows.append(("KS: greatest difference to scipy", f"{worst:.0e}", "1e-12", "-", "-"))
    rows.append(("KS: times faster than a loop of scipy", f"{faster:.0f}", "-", "10", "1"))
    per_s, memory_mb = _service(rng)
    rows.append(("predictions/s of one core, 128-d, 200 cameras", f"{per_s:.0f}", "5,000", "20,000", "-"))
    rows.append(("memory per camera and model, MB", f"{memory_mb:.1f}", "-", "-", "-"))
    rows.append(("image statistics with decode, 640x480, ms", f"{_image_statistics(rng):.1f}", "3", "2.5", "-"))
    title = (
        "Drift: numbers to reach; the last column is sliding KS with Bonferroni (window 500, stride 50) in the same run"
    )
    return markdown(title, ("item", "ours", "must", "great", "sliding KS"), rows)


if __name__ == "__main__":
    print(main())
