"""In and out: reading and writing spreadsheets, imports that can be undone, exports that say what they hold."""
