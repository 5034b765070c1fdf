"""Series as data: panels of them, how they are read, and what is cut out of them."""
