"""The world and its sensor boards, over real serial lines; see README.md."""
