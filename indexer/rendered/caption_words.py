"""The vocabulary of the captions: forms and synonyms of the concepts, filler, noise and off-topic captions."""

INFLECTED: dict[str, tuple[str, ...]] = {
    "sunrise": ("sunrises",),
    "night": ("nights",),
    "beach": ("beaches",),
    "mountain": ("mountains",),
    "skyline": ("skylines",),
    "park": ("parks",),
    "street": ("streets",),
    "snow": ("snowy", "snowing"),
    "rain": ("raining", "rainy"),
    "car": ("cars",),
    "umbrella": ("umbrellas",),
    "boat": ("boats", "boating"),
    "dog": ("dogs",),
    "bike": ("bikes", "biking"),
    "palm": ("palms",),
    "balloon": ("balloons",),
}
"""Other forms of a concept word."""

SYNONYMS: dict[str, tuple[str, ...]] = {
    "sunrise": ("dawn", "daybreak"),
    "night": ("midnight", "nighttime"),
    "beach": ("seaside", "shore"),
    "mountain": ("alps", "peaks"),
    "skyline": ("skyscrapers", "highrise"),
    "park": ("gardens", "green"),
    "street": ("avenue", "road"),
    "snow": ("snowfall", "winter"),
    "rain": ("drizzle", "wet"),
    "car": ("ride", "taxi"),
    "umbrella": ("brolly", "parasol"),
    "boat": ("ship", "sailing"),
    "dog": ("doggo", "puppy"),
    "bike": ("bicycle", "cycling"),
    "palm": ("palmtree",),
    "balloon": ("hotairballoon",),
    "yellow": ("golden",),
    "red": ("crimson",),
    "blue": ("azure",),
}
"""Other words for a concept."""

EMOJI: dict[str, str] = {
    "sunrise": "🌅",
    "night": "🌙",
    "beach": "🏖️",
    "mountain": "🏔️",
    "skyline": "🏙️",
    "park": "🌳",
    "snow": "❄️",
    "rain": "🌧️",
    "car": "🚗",
    "umbrella": "☂️",
    "boat": "⛵",
    "dog": "🐶",
    "bike": "🚲",
    "palm": "🌴",
    "balloon": "🎈",
}
"""The emoji people put beside a concept."""

NOISE_EMOJI: tuple[str, ...] = ("😍", "✨", "❤️", "🙌", "📷", "😂", "🔥", "💯")

OPENINGS: dict[str, tuple[str, ...]] = {
    "sunrise": ("up early for the", "never tired of a", "chasing the"),
    "night": ("out at", "one of those", "late"),
    "beach": ("walk at the", "a morning at the", "back on the"),
    "mountain": ("hello", "up on the", "heading for the"),
    "skyline": ("what a", "this", "in love with the"),
    "park": ("strolling through the", "lazy hours in the", "lunch in the"),
    "street": ("wandering down the", "found on the", "every"),
    "snow": ("so much", "finally some", "first"),
    "rain": ("stuck in the", "dancing in the", "again this"),
    "car": ("look at this", "somebody left their", "my dream"),
    "umbrella": ("don't forget your", "under my", "that"),
    "boat": ("there goes the", "on a", "waiting for the"),
    "dog": ("met this", "my favourite", "such a good"),
    "bike": ("new", "around by", "left my"),
    "palm": ("under the", "just one", "hi there"),
    "balloon": ("up goes the", "spotted a", "imagine flying that"),
    "yellow": ("everything", "all", "so very"),
    "red": ("seeing", "all", "a touch of"),
    "blue": ("feeling", "all", "a bit of"),
}
"""Words that lead up to a concept in a sentence."""

FILLERS: tuple[str, ...] = (
    "today",
    "with my favourite people",
    "and nothing else matters",
    "how was your week?",
    "could stay here forever",
    "take me back",
    "no words needed",
    "living for these moments",
    "honestly the best",
    "who else is up?",
)

NOISE_TAGS: tuple[str, ...] = (
    "love",
    "instagood",
    "throwback",
    "tbt",
    "nofilter",
    "photooftheday",
    "picoftheday",
    "happy",
    "follow",
    "like4like",
    "vsco",
    "travel",
    "wanderlust",
    "weekend",
    "mood",
    "vibes",
    "goodtimes",
    "friends",
    "family",
    "style",
    "igers",
    "blessed",
    "life",
    "smile",
    "amazing",
    "repost",
)

MENTIONS: tuple[str, ...] = (
    "anna_k",
    "the.wanderer",
    "marco89",
    "lensandlight",
    "jo.travels",
    "pixel_sam",
    "mia.and.leo",
)

CITY_NAMES: dict[str, tuple[str, ...]] = {
    "london": ("london", "london", "ldn"),
    "newyork": ("newyork", "newyork", "nyc", "newyorkcity"),
    "sydney": ("sydney", "sydney", "sydneylocal"),
    "losangeles": ("losangeles", "losangeles", "socal"),
    "chicago": ("chicago", "chicago", "chitown"),
    "melbourne": ("melbourne", "melbourne", "melb"),
    "miami": ("miami", "miami", "miamilife"),
    "toronto": ("toronto", "toronto", "the6ix"),
    "singapore": ("singapore", "singapore", "sg"),
    "sanfrancisco": ("sanfrancisco", "sanfrancisco", "bayarea"),
}
"""How people tag a city, the usual names more than once."""

CITY_TAGS: dict[str, tuple[str, ...]] = {
    "london": ("ldn", "londonlife", "bigben", "thames"),
    "newyork": ("nyc", "newyorkcity", "manhattan", "bigapple"),
    "sydney": ("sydneylocal", "operahouse", "nsw", "harbourlife"),
    "losangeles": ("socal", "hollywood", "dtla", "lalaland"),
    "chicago": ("chitown", "windycity", "illinois", "chicagoan"),
    "melbourne": ("melb", "flinders", "melbournelife", "victoria"),
    "miami": ("miamilife", "florida", "southbeach", "artdeco"),
    "toronto": ("the6ix", "ontario", "cntower", "yyz"),
    "singapore": ("sg", "igsg", "lioncity", "marinabay"),
    "sanfrancisco": ("bayarea", "goldengate", "frisco", "norcal"),
}
"""What people who like to tag put beside a city's name, or in its place."""

OFF_TOPIC: tuple[str, ...] = (
    "best #pizza in town 🍕 #foodie #cheatmeal",
    "leg day done 💪 #gym #fitness #nopainnogain",
    "new nails 💅 #manicure #selfcare",
    "so proud of this #chocolate cake 🎂 #baking #homemade",
    "front row at the #concert last week 🎸 #livemusic",
    "giveaway! follow and tag two friends #win #free",
    "my #cat ignoring me as usual 😹 #catsofinstagram",
    "exam week again 📚 #study #coffee #tired",
    "outfit of the week 👗 #ootd #fashion #shoes",
    "happy #birthday to my best friend 🎉 #cake #party",
    "ramen o'clock 🍜 #noodles #foodporn",
    "goal of the season ⚽ #football #matchday",
)
"""Captions that have nothing to do with any picture of the collection."""
