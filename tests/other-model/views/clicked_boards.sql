SELECT board.slug, owner, clicked_at FROM board JOIN click ON click.board = board.slug
