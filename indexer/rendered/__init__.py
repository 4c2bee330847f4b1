"""A rendered photo collection with captions and exact truth, for demos and tests that need no download.

Small photo-like scenes imitate posts from ten cities. Concepts such as light, place, weather and things are combined
almost independently, so a query of two words has many pictures that show only one of them.
"""

from topicidx.indexer.rendered.collection import RenderedPicture, render_cities, render_collection
from topicidx.indexer.rendered.drawing import draw_scene
from topicidx.indexer.rendered.scenes import CITIES, CONCEPTS, Scene

__all__ = ["CITIES", "CONCEPTS", "RenderedPicture", "Scene", "draw_scene", "render_cities", "render_collection"]
