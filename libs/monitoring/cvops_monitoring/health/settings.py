"""All thresholds of camera health."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HealthSettings:
    """Thresholds of one camera. px are those of a picture fitted into 320x240.

    Attributes:
        check_s: the picture is checked at most once in this time, in s.
        hold_s: a fault closes after it has been absent for this time, in s.
        update_s: an open fault is told again after this time, in s; at once when it grew to twice its size.
        reference_frames: checks that the reference of a brightness regime is learned from.
        reference_s: time that these must cover at least, in s; the rhythm of frames is learned over as long.
        regime_s: a new brightness regime must hold this long, in s.
        night_brightness: mean luma below which it is night, 0..255.
        day_brightness: mean luma above which it is day again.
        grey_saturation: mean saturation below which a picture is infra-red (or grey), 0..255.
        colour_saturation: mean saturation above which it has colour again.
        dusk_share: infra-red is a fault only if brightness was above this share of the reference before.
        moved_s: "moved" needs agreeing decisions over this time, in s.
        moved_decisions: and so many of them.
        moved_px: shift of the centre, in px, that is a move.
        moved_deg: rotation that is a move, in degrees.
        moved_zoom: change of scale that is a move; .015: 1.5 %.
        response: phase correlation below this is no decision, 0..1.
        features_s: rotation and zoom are looked for at least this often, in s.
        inliers: matches that must agree on one similarity.
        lost_s: a view in which nothing of the reference is found for this time has moved, in s.
        defocus_ratio: fine detail against the reference below which the picture is out of focus, 0..1.
        defocus_s: for this time, in s.
        dirt_share: share of the detailed cells that lost their detail while the rest is clear, 0..1.
        dirt_s: for this time, in s.
        veil_contrast: contrast of all cells alike below which there is a veil, against light, 0..1.
        covered_share: share of the blocks that lost their edges, 0..1.
        covered_loss: a block lost its edges below this share of what the light lets expect, 0..1.
        covered_s: for this time, in s.
        dark_p99: p99 of luma below which a picture that was bright seconds ago is dark, 0..255.
        dark_from_p99: what "bright seconds ago" means.
        dark_from_mean: and the mean luma that it takes: headlights at night raise p99 for seconds, never the mean.
        dark_within_s: how many seconds, in s.
        dim_light: light of all cells alike, against the last minute, below which the picture is dark; for `covered_s`.
        dark_s: for this time, in s.
        black_p99: p99 below which a picture is black, whatever was before; for `covered_s`.
        bright_mean: mean luma of an over-exposed picture, 0..255; for `covered_s`.
        bright_rise: and at least so much above the reference.
        frozen_s: the same picture for this time is frozen, in s.
        frozen_frames: and for at least so many frames.
        frozen_unknown_s: as `frozen_s`, while the camera is new and may be one that repeats frames, in s.
        frozen_live: frozen is also longer than so many times the longest repeat that the live camera made.
        cast_de: shift of the mean colour, in dE.
        cast_spread: and more than so many standard deviations of the reference.
        cast_s: for this time, in s.
        slow_share: rate against the reference that is slow, 0..1.
        slow_s: for this time, in s.
        slow_evidence: log likelihood ratio that slow needs, nats.
        late_s: so much later than the reference is late, in s; at least six of its standard deviations.
        late_for_s: for this time, in s.
        clock_s: offset or jump of the clock that is told, in s.
        lost_share: share of frames lost in about a minute, 0..1; in three holes at least.
        lost_at_once_s: a single hole this long is told too, in s.
    """

    check_s: float = 1.0
    hold_s: float = 10.0
    update_s: float = 300.0
    reference_frames: int = 60
    reference_s: float = 20.0
    regime_s: float = 5.0
    night_brightness: float = 45.0
    day_brightness: float = 60.0
    grey_saturation: float = 6.0
    colour_saturation: float = 12.0
    dusk_share: float = 0.6
    moved_s: float = 10.0
    moved_decisions: int = 3
    moved_px: float = 2.4
    moved_deg: float = 0.8
    moved_zoom: float = 0.015
    response: float = 0.06
    features_s: float = 5.0
    inliers: int = 10
    lost_s: float = 30.0
    defocus_ratio: float = 0.65
    defocus_s: float = 10.0
    dirt_share: float = 0.05
    dirt_s: float = 10.0
    veil_contrast: float = 0.8
    covered_share: float = 0.4
    covered_loss: float = 0.35
    covered_s: float = 10.0
    dark_p99: float = 50.0
    dark_from_p99: float = 60.0
    dark_from_mean: float = 60.0
    dark_within_s: float = 10.0
    dim_light: float = 0.67
    dark_s: float = 2.0
    black_p99: float = 12.0
    bright_mean: float = 215.0
    bright_rise: float = 40.0
    frozen_s: float = 2.0
    frozen_frames: int = 3
    frozen_unknown_s: float = 10.0
    frozen_live: float = 3.0
    cast_de: float = 6.0
    cast_spread: float = 5.0
    cast_s: float = 10.0
    slow_share: float = 0.8
    slow_s: float = 30.0
    slow_evidence: float = 12.0
    late_s: float = 2.0
    late_for_s: float = 10.0
    clock_s: float = 2.0
    lost_share: float = 0.05
    lost_at_once_s: float = 10.0
