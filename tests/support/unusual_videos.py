"""Write video files that are unusual but healthy: any times, several streams, sound, colour tags, interlaced."""

from fractions import Fraction

import numpy as np


def write_clip(path, frames, times=None, sound=None, codec="libx264", pix_fmt="yuv420p", tags=None, options=None, aspect=None):
    """Write frames with PyAV.

    Args:
        path: the file.
        frames: uint8 RGB (T, H, W, 3).
        times: of the frames in milliseconds; default: ten frames per second.
        sound: a codec, which adds a tone of the same length.
        codec, pix_fmt: of the pictures.
        tags: attributes of the codec context, such as ``{"colorspace": 1}``.
        options: of the encoder.
        aspect: width of a pixel divided by its height.
    """
    import av

    times = [100 * n for n in range(len(frames))] if times is None else times
    with av.open(f"file:{path}", "w") as container:
        stream = container.add_stream(codec, rate=1000)
        stream.height, stream.width, stream.pix_fmt = frames[0].shape[0], frames[0].shape[1], pix_fmt
        context = stream.codec_context
        context.time_base = Fraction(1, 1000)
        if aspect is not None:
            context.sample_aspect_ratio = Fraction(aspect)
        for name, value in (tags or {}).items():
            setattr(context, name, value)
        stream.options = options or ({"crf": "8", "bf": "0"} if codec == "libx264" else {})
        tone = sound and container.add_stream(sound, rate=44100)
        if tone:
            tone.codec_context.layout = "mono"
        for time, frame in zip(times, frames, strict=True):
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            if tags and tags.get("colorspace") == 1:
                picture = picture.reformat(format=pix_fmt, dst_colorspace="ITU709", dst_color_range=tags.get("color_range", 1))
            picture.pts, picture.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
        if tone:
            count = int((times[-1] + 100) * 44.1)
            wave = (8000 * np.sin(np.arange(count) * 2 * np.pi * 440 / 44100)).astype(np.int16)
            piece = av.AudioFrame.from_ndarray(wave[None], format="s16", layout="mono")
            piece.sample_rate, piece.pts = 44100, 0
            resampler = av.AudioResampler(format=tone.codec_context.format or "fltp", layout="mono", rate=44100)
            for part in resampler.resample(piece):
                container.mux(tone.encode(part))
            container.mux(tone.encode())
    return path


def add_cover(path, frames, cover, codecs=("mjpeg", "libx264"), attached=False):
    """Write a video whose first video stream is a still picture."""
    import av

    with av.open(f"file:{path}", "w") as container:
        still = container.add_stream(codecs[0], rate=10)
        moving = container.add_stream(codecs[1], rate=10)
        for stream, picture, pix_fmt in ((still, cover, "yuvj420p"), (moving, frames[0], "yuv420p")):
            stream.height, stream.width, stream.pix_fmt = picture.shape[0], picture.shape[1], pix_fmt
        if attached:
            from av.stream import Disposition

            still.disposition = Disposition.attached_pic
        for stream, pictures in ((still, [cover]), (moving, frames)):
            for picture in pictures:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode())
    return path


def tracks(path):
    """What a player is told: {"video": stream, "audio": stream or None} as plain values."""
    import av

    with av.open(f"file:{path}") as container:
        video = container.streams.video[0]
        context = video.codec_context
        audio = container.streams.audio[0] if container.streams.audio else None
        return {
            "colorspace": int(context.colorspace),
            "range": int(context.color_range),
            "primaries": int(context.color_primaries),
            "transfer": int(context.color_trc),
            "aspect": video.sample_aspect_ratio,
            "sound": audio and audio.codec_context.name,
            "sound_seconds": audio and float(audio.duration * audio.time_base),
        }


def sound_of(path):
    """The decoded sound of a file as one float array."""
    import av

    with av.open(f"file:{path}") as container:
        return np.concatenate([frame.to_ndarray().reshape(-1) for frame in container.decode(audio=0)])
