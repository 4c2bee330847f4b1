"""The networks that predict topics from pixels: their layers, weights and the pixels they expect."""
