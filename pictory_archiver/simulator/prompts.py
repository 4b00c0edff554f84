"""Prompts as people write them: mostly English, several scripts, a few very long ones."""

from __future__ import annotations

LONGEST = 5000

SUBJECTS = (
    "A woman sitting on the grass",
    "An old fisherman",
    "Two children in yellow raincoats",
    "A red fox",
    "A chef in an open kitchen",
    "A ballet dancer",
    "A golden retriever puppy",
    "A street musician",
    "An astronaut",
    "A paper boat",
    "A lighthouse keeper",
    "A hot-air balloon",
    "A potter with clay on her hands",
    "A vintage tram",
    "A hummingbird",
    "A team of rowers",
)
ACTIONS = (
    "as children run and play around her",
    "watching the tide come in",
    "chasing fireflies",
    "pausing to look into the camera",
    "moving in slow motion",
    "turning towards the light",
    "waiting for the rain to stop",
    "drifting past without a sound",
    "laughing at something off screen",
    "crossing from left to right",
    "surrounded by drifting petals",
    "at the very moment the lights go on",
)
SETTINGS = (
    "in a sunlit park",
    "on a foggy pier before dawn",
    "in a narrow street in Lisbon",
    "under the northern lights",
    "in a quiet library",
    "on a rooftop at blue hour",
    "beside a frozen lake",
    "in a field of sunflowers",
    "in a busy night market",
    "inside a greenhouse full of ferns",
    "on the red sand of Mars",
    "in front of a wall of old televisions",
)
STYLES = (
    "in a wide shot",
    "close-up, shallow depth of field",
    "cinematic, 35 mm film grain",
    "drone footage, smooth forward motion",
    "handheld documentary style",
    "watercolour animation",
    "stop motion, felt and paper",
    "soft pastel colours",
    "dramatic backlight",
    "time-lapse",
)
OTHER_SCRIPTS = (
    "桜の木の下で本を読む若い女性、花びらがゆっくりと舞い落ちる、映画のような光",
    "雨の東京の路地、ネオンが水たまりに映る、傘をさした人々のスローモーション",
    "قارب شراعي صغير يعبر الخليج عند الغروب، والنوارس تحلّق فوق الماء",
    "Старый трамвай медленно едет по заснеженной улице, в окнах тёплый свет",
    "बारिश के बाद हरे खेतों में दौड़ते बच्चे, पीछे इंद्रधनुष, धीमी गति",
    "🦊🍂 a fox in autumn leaves 🍁, cozy vibes ✨🎬 👩\u200d👩\u200d👧\u200d👦 on the porch 🏳\ufe0f\u200d🌈",
    "Cafe\u0301 terrace in Montre\u0301al, A\u030angstro\u0308m-sharp focus, Z\u0351\u036b\u0343algo sign",
    "Phố cổ Hội An về đêm, đèn lồng soi bóng xuống dòng sông Hoài",
    "시장 골목에서 김이 모락모락 나는 만두를 빚는 할머니, 따뜻한 조명",
    "Ein Bäcker schiebt im Morgengrauen Brot in den Ofen – Mehlstaub im Gegenlicht, „ganz ruhig“",
    "שוק צבעוני בירושלים בשעות הבוקר, תבלינים, אור רך, מצלמה נעה קדימה",
    "Quote test: \"neon\" <sign> & 'smoke' \\ 100% real / 50% dream\nsecond line,\ttabbed",
)


def prompt(dice: bytes) -> str:
    """The prompt for 8 random bytes: 5 to 5,000 characters."""
    if dice[0] < 3:
        return _long(dice)
    if dice[0] < 40:
        return OTHER_SCRIPTS[dice[1] % len(OTHER_SCRIPTS)]
    return _sentence(dice, 0)


def _sentence(dice: bytes, turn: int) -> str:
    words = (SUBJECTS, ACTIONS, SETTINGS, STYLES)
    first, second, third, fourth = (
        row[(dice[2 + place] + turn * (2 * place + 1)) % len(row)] for place, row in enumerate(words)
    )
    return f"{first} {second} {third}, {fourth}"


def _long(dice: bytes) -> str:
    scenes = (f"Scene {turn + 1}: {_sentence(dice, turn)}. " for turn in range(60))
    return "".join(scenes)[: LONGEST - dice[7] % 64].strip()
