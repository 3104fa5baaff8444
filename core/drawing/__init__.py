"""Drawing of boxes, labels, pages and charts in one style, for stages and backends."""
