"""A made OMG-Emotion."""

from pathlib import Path

import numpy as np

from mien.tasks import EXPRESSION_7, VALENCE_AROUSAL
from mien.testing.databases.made import Bad, Key, Made, Row, write_lines
from mien.testing.media import make_video

_NUMBERS = {"anger": 0, "disgust": 1, "fear": 2, "happiness": 3, "neutral": 4, "sadness": 5, "surprise": 6}

_TABLES = {
    "omg_TrainVideos.csv": ("train", ("made0aaa1", "made0aaa2", "9f_vidéo")),
    "omg_ValidationVideos.csv": ("validation", ("made0bbb1",)),
    "omg_TestVideos_WithLabels.csv": ("test", ("made0ccc1",)),
}


def make_omg_emotion(folder: Path, seed: int = 0) -> Made:
    """Write three tables with three utterances of each recording, which are numbered with gaps.

    One recording is no longer on YouTube, one utterance has no vote, and the challenge's table of the
    test part without labels lies there too.
    """
    rng = np.random.default_rng(seed)
    rows, texts = [], []
    lost: dict[Path, frozenset[Key]] = {}
    for name, (split, videos) in _TABLES.items():
        lines = ["link,start,end,video,utterance,arousal,valence,EmotionMaxVote"]
        for video in videos:
            for k, utterance in enumerate((1, 2, 10)):
                arousal, valence = round(float(rng.uniform(0, 1)), 12), round(float(rng.uniform(-1, 1)), 12)
                emotion = "" if (video, k) == ("made0bbb1", 1) else str(rng.choice(list(_NUMBERS)))
                vote = _NUMBERS.get(emotion, "")
                where = f"https://video.example/watch?v={video},{k * 7.5},{k * 7.5 + 6.12}"
                lines.append(f"{where},{video},utterance_{utterance}.mp4,{arousal},{valence},{vote}")
                labels = {VALENCE_AROUSAL: {"valence": valence, "arousal": arousal}}
                if emotion:
                    labels[EXPRESSION_7] = {emotion: 1.0}
                rows.append(
                    Row(split, f"{video}/utterance_{utterance}", 0, labels, picture=video != "made0aaa2")
                )
                if video != "made0aaa2":
                    path = folder / f"{split.capitalize()}_Set" / video / f"utterance_{utterance}.mp4"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.touch()
                    if k == 2:
                        lost[path] = frozenset({rows[-1].key})
        texts.append(write_lines(folder / name, lines))
    make_video(folder / "Train_Set/made0aaa1/utterance_1.mp4", frames=3, sound=True)
    (folder / "Train_Set/youtube_videos_temp").mkdir()
    (folder / "Train_Set/youtube_videos_temp/made0aaa1.mp4").touch()
    unlabelled = ["link,start,end,video,utterance", "https://video.example/w,0,1,made0ccc1,utterance_1.mp4"]
    write_lines(folder / "omg_TestVideos_WithoutLabels.csv", unlabelled)
    bads = [
        Bad(texts[0], 3, "l,0,1,made0aaa1,utterance_2.mp4,-0.4,0.1,3", frozenset({rows[1].key})),
        Bad(texts[1], 4, "l,0,1,made0bbb1,utterance_10.mp4,0.4,0.1,7", frozenset({rows[11].key})),
    ]
    return Made(folder, rows, bads, texts, lost=lost)
