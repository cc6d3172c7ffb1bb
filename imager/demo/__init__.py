"""The showpiece: one order for two cards and one for a download, from nothing to proof."""
