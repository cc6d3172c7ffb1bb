"""The original builder, `image-creator`, as a choice: same recipes in, same kinds of files out."""
