"""The ledger balances whatever the order in which frames come."""

import random
from collections import Counter

import pytest

from cvops_ingest.ledger import Entries, Hole, Page, Seen, SequenceTracker, Sighting
from cvops_ingest.upload import Outcome, Receipt, Upload


def upload(sequence: int, minute: int = 0, sampled_out: int = 0) -> Upload:
    return Upload("cam", 1, minute * 60_000_000_000, b"", "run", sequence, sampled_out)


def booked(page: Page) -> dict[int, Entries]:
    return {minute: entries for _, minute, entries in page}


def test_a_number_beyond_the_next_leaves_a_hole_that_closes_from_any_side():
    tracker = SequenceTracker()
    assert tracker.see(4, minute=1) == Seen(Sighting.NEXT, skipped=4)
    assert tracker.see(2, minute=9) == Seen(Sighting.LATE, booked_minute=1)
    assert tracker.holes == [Hole(0, 2, 1), Hole(3, 4, 1)]
    assert [tracker.see(n, 9).sighting for n in (3, 0, 1)] == [Sighting.LATE] * 3
    assert tracker.holes == []
    assert tracker.see(2, 9) == Seen(Sighting.AGAIN)


def test_a_gap_is_taken_back_from_the_minute_in_which_it_was_booked():
    page, tracker = Page(), SequenceTracker()
    for sequence, minute in ((0, 5), (2, 5), (1, 7)):
        page.received(upload(sequence, minute), tracker)
        page.answered(upload(sequence, minute), Receipt("run", sequence, Outcome.STORED, "id"))
    minutes = booked(page)
    assert (minutes[5].captured, minutes[5].gaps, minutes[5].stored) == (2, 0, 2)
    assert (minutes[7].captured, minutes[7].gaps, minutes[7].stored) == (1, 0, 1)
    assert [entries.imbalance for entries in minutes.values()] == [0, 0]


def test_the_end_of_a_stream_tells_what_its_last_frame_could_not_and_counts_once():
    page, tracker = Page(), SequenceTracker()
    page.received(upload(0), tracker)
    page.answered(upload(0), Receipt("run", 0, Outcome.STORED, "id"))
    end = Upload("cam", 1, 0, b"", "run", 4, sampled_out=7, closing=True)
    for _ in range(2):  # a broken connection lets it come again
        page.received(end, tracker)
        page.answered(end, Receipt("run", 4, Outcome.CLOSED))
    entries = booked(page)[0]
    assert (entries.captured, entries.stored, entries.sampled_out, entries.gaps) == (11, 1, 7, 3)
    assert entries.imbalance == 0


def test_a_frame_without_an_answer_shows_as_an_imbalance():
    page, tracker = Page(), SequenceTracker()
    for sequence in range(3):
        page.received(upload(sequence, sampled_out=2), tracker)
    for sequence in range(2):
        page.answered(upload(sequence), Receipt("run", sequence, Outcome.STORED, "id"))
    assert booked(page)[0].imbalance == 1


@pytest.mark.parametrize("seed", range(20))
def test_lost_late_and_repeated_frames_balance_in_every_order(seed: int):
    rng = random.Random(seed)
    sent = rng.sample(range(200), 150)
    left_out = {sequence: rng.randrange(3) for sequence in sent}
    again = rng.choices(sent, k=40)
    coming = sent + again
    rng.shuffle(coming)
    page, tracker, stored = Page(), SequenceTracker(), set[int]()
    outcomes: Counter[str] = Counter()
    for position, sequence in enumerate(coming):
        arrived = upload(sequence, position // 30, left_out[sequence])
        page.received(arrived, tracker)
        if sequence % 17 == 0:
            receipt = Receipt("run", sequence, Outcome.REJECTED, reason="truncated")
        else:
            outcome = Outcome.DUPLICATE if sequence in stored else Outcome.STORED
            receipt = Receipt("run", sequence, outcome, "id")
            stored.add(sequence)
        outcomes[receipt.outcome] += 1
        page.answered(arrived, receipt)
    minutes = booked(page).values()
    assert all(entries.imbalance == 0 for entries in minutes)
    assert sum(entries.gaps for entries in minutes) == max(sent) + 1 - len(sent)
    assert sum(entries.stored for entries in minutes) == len(stored)
    assert sum(entries.duplicates for entries in minutes) == outcomes["duplicate"]
    assert sum(entries.sampled_out for entries in minutes) == sum(left_out.values())
    captured = max(sent) + 1 + len(again) + sum(left_out.values())
    assert sum(entries.captured for entries in minutes) == captured


def test_the_memory_of_holes_is_bounded():
    tracker = SequenceTracker()
    for sequence in range(1, 4001, 2):
        tracker.see(sequence, 0)
    tracker.see(1_000_000, 0)
    for sequence in range(5000, 9000, 2):
        tracker.see(sequence, 0)
    assert len(tracker.holes) <= 256
