"""Where frames come from: order, time stamps, damage."""

import re
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from cvops.edge.sources import IMAGE_SUFFIXES, Captured, Images, Video, open_source
from cvops.errors import SourceError
from tests.client.conftest import jpeg
from tests.client.rtsp_camera import HEIGHT, PICTURES, WIDTH, RtspCamera, brightness_of


@pytest.fixture
def aisle(shared_data: Path) -> Path:
    """75 frames of 480 x 270 px at 50/3 frames a second."""
    return shared_data / "videos" / "store_aisle_short.mp4"


def packets(video: Path) -> list[tuple[int, int, bool]]:
    """Place in the file, size and whether it is a key frame, of every packet."""
    with av.open(str(video)) as container:
        return [(p.pos, p.size, p.is_keyframe) for p in container.demux(video=0) if p.size]


def folder_of(folder: Path, names: list[str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        (folder / name).write_bytes(jpeg(number))
    return folder


def test_a_video_gives_every_frame_with_the_time_of_the_stream(aisle: Path) -> None:
    source = open_source(str(aisle))
    frames = list(source.frames())
    assert (len(frames), source.count, source.corrupt, source.live) == (75, 75, 0, False)
    assert [round(frame.offset_s, 3) for frame in frames[:4]] == [0.0, 0.06, 0.12, 0.18]
    assert frames[-1].offset_s == pytest.approx(74 * 0.06, abs=0.01)
    assert all(isinstance(frame.image, np.ndarray) and frame.image.shape == (270, 480, 3) for frame in frames)


def test_pixels_of_a_video_are_those_that_another_decoder_gives_in_bgr(aisle: Path) -> None:
    capture = cv2.VideoCapture(str(aisle))
    for frame in islice(Video(aisle).frames(), 10):
        well, expected = capture.read()
        assert well
        assert np.abs(np.asarray(frame.image).astype(int) - expected.astype(int)).mean() < 2.0
    capture.release()


def test_time_stamps_that_are_uneven_come_through_as_they_are(tmp_path: Path) -> None:
    video = tmp_path / "uneven.mkv"
    written_ms = [500, 600, 1100, 1150, 4000]
    with av.open(str(video), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number, at_ms in enumerate(written_ms):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), number * 40, np.uint8), format="bgr24")
            frame.pts, frame.time_base = at_ms, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    offsets = [frame.offset_s for frame in Video(video).frames()]
    assert offsets == pytest.approx([0.0, 0.1, 0.6, 0.65, 3.5], abs=0.045)


def test_a_video_can_be_read_again_from_the_beginning(aisle: Path) -> None:
    source = Video(aisle)
    first, second = (next(iter(source.frames())) for _ in range(2))
    assert np.array_equal(first.image, second.image)
    assert first.offset_s == second.offset_s == 0.0


@pytest.mark.parametrize("damaged", [[30, 31, 32], [10, 40], [74], [72, 73, 74]], ids=str)
def test_damaged_packets_are_counted_and_the_rest_goes_on(aisle: Path, tmp_path: Path, damaged: list[int]) -> None:
    data = bytearray(aisle.read_bytes())
    every = packets(aisle)
    for position, size, _ in [every[number] for number in damaged]:
        data[position + 4 : position + size] = bytes(size - 4)  # the length stays, the content is gone
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(data)
    source = Video(broken)
    frames = list(source.frames())
    assert (len(frames), source.corrupt) == (75 - len(damaged), len(damaged))
    if 74 not in damaged:
        assert frames[-1].offset_s == pytest.approx(4.44, abs=0.01), "time stamps do not move"


def test_a_video_without_one_good_packet_ends_with_its_name_frame_and_reason(aisle: Path, tmp_path: Path) -> None:
    data = bytearray(aisle.read_bytes())
    for position, size, _ in packets(aisle):
        data[position : position + size] = b"\xff" * size
    broken = tmp_path / "noise.mp4"
    broken.write_bytes(data)
    with pytest.raises(SourceError, match=rf"video {re.escape(str(broken))}, frame 0: no frame of 75 can be decoded"):
        list(Video(broken).frames())


def test_a_video_that_was_cut_off_gives_the_frames_that_are_whole_and_says_so(aisle: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(aisle.read_bytes()[:100_000])
    expected = [frame.offset_s for frame in islice(Video(aisle).frames(), 12)]
    given = []
    with pytest.raises(SourceError, match=r"cut\.mp4, frame 1\d: the file announces 75 frames.*cut off"):  # noqa: PT012
        for frame in Video(cut).frames():
            given.append(frame.offset_s)
    assert given[:12] == expected


@pytest.mark.parametrize("content", [b"", b"this is no video at all\n" * 50], ids=["empty", "text"])
def test_what_is_no_video_is_told_with_its_name_frame_and_reason(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "clip.mp4"
    file.write_bytes(content)
    with pytest.raises(SourceError, match=rf"^video {re.escape(str(file))}, frame 0: \w.*") as caught:
        list(open_source(str(file)).frames())
    assert "Invalid data" in str(caught.value)


def test_a_file_with_sound_alone_has_no_video_in_it(tmp_path: Path) -> None:
    file = tmp_path / "sound.mp4"
    with av.open(str(file), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        sound.sample_rate = 16000
        container.mux(stream.encode(sound))
        container.mux(stream.encode())
    with pytest.raises(SourceError, match=r"sound\.mp4 has no video in it"):
        list(open_source(str(file)).frames())


def test_a_folder_gives_its_images_by_name_byte_for_byte_and_nothing_else(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "pictures", ["b.JPG", "a.jpeg", "c.png", "d.webp", "notes.txt", "z.mp4"])
    source = open_source(str(folder), fps=4)
    assert isinstance(source, Images)
    assert source.count == 4
    assert list(source.frames()) == [
        Captured(jpeg(1), 0.0),
        Captured(jpeg(0), 0.25),
        Captured(jpeg(2), 0.5),
        Captured(jpeg(3), 0.75),
    ]


def test_images_without_a_rate_are_a_second_apart(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "pictures", ["1.jpg", "2.jpg", "3.jpg"])
    assert [frame.offset_s for frame in open_source(str(folder)).frames()] == [0.0, 1.0, 2.0]


def test_a_glob_takes_what_it_matches_in_order(tmp_path: Path) -> None:
    folder_of(tmp_path / "a", ["2.jpg", "1.jpg", "no.txt"])
    folder_of(tmp_path / "b", ["3.jpg"])
    frames = list(open_source(str(tmp_path / "*" / "*")).frames())
    assert [frame.image for frame in frames] == [jpeg(1), jpeg(0), jpeg(0)]
    assert open_source(str(tmp_path / "**" / "[12].jpg")).count == 2


def test_a_file_whose_name_looks_like_a_glob_is_that_file(tmp_path: Path) -> None:
    file = tmp_path / "shot[1].jpg"
    file.write_bytes(jpeg(5))
    assert [frame.image for frame in open_source(str(file)).frames()] == [jpeg(5)]


@pytest.mark.parametrize("pattern", ["", "*.jpg"])
def test_a_folder_or_glob_without_images_says_what_it_expected(tmp_path: Path, pattern: str) -> None:
    with pytest.raises(SourceError, match="holds no image") as caught:
        open_source(str(tmp_path / pattern) if pattern else str(tmp_path))
    assert all(suffix in str(caught.value) for suffix in IMAGE_SUFFIXES)


def test_what_does_not_exist_is_told_with_what_could_be(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"nothing\.mp4 does not exist: expected a video"):
        open_source(str(tmp_path / "nothing.mp4"))


def test_an_image_that_goes_away_is_told_with_its_name(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "pictures", ["1.jpg", "2.jpg"])
    frames = open_source(str(folder)).frames()
    next(frames)
    (folder / "2.jpg").unlink()
    with pytest.raises(SourceError, match=r"2\.jpg cannot be read: No such file"):
        next(frames)


def test_a_stream_nobody_serves_is_told_without_its_password() -> None:
    with pytest.raises(SourceError, match=r"stream rtsp://\.\.\.@127\.0\.0\.1:9/live: \w") as caught:
        next(open_source("rtsp://admin:secret@127.0.0.1:9/live").frames())
    assert "secret" not in str(caught.value)


def test_a_network_camera_is_read_frame_by_frame_and_called_again_when_it_hangs_up() -> None:
    with RtspCamera("admin", "secret") as camera:
        source = open_source(camera.address)
        frames = list(islice(source.frames(), 2 * PICTURES))
    assert source.live
    assert camera.calls == 2
    assert camera.refused == 2, "a password is sent when it is asked for"
    seen = [image_of(frame).mean() for frame in frames]
    assert seen == pytest.approx([brightness_of(number) for number in range(PICTURES)] * 2, abs=2)
    assert {image_of(frame).shape for frame in frames} == {(HEIGHT, WIDTH, 3)}
    offsets = [frame.offset_s for frame in frames]
    assert offsets[:PICTURES] == pytest.approx([number / 25 for number in range(PICTURES)], abs=1e-3)
    assert np.diff(offsets[PICTURES:]) == pytest.approx(1 / 25, abs=1e-3)
    assert source.corrupt == 0


def test_a_network_camera_with_another_password_is_told() -> None:
    with (
        RtspCamera("admin", "secret") as camera,
        pytest.raises(SourceError, match=r"rtsp://\.\.\.@.*(401|nauthorized)"),
    ):
        next(open_source(camera.address.replace("secret", "guess")).frames())


def image_of(frame: Captured) -> np.ndarray:
    assert isinstance(frame.image, np.ndarray)
    return frame.image
