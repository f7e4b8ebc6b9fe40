"""SQL: one module per table or kind of question. Rows come in and go out as the domain's objects."""
