"""Whether a change hurts, before anybody has labelled a frame."""
