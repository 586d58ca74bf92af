"""Reports as pages: one HTML file with its charts in it, for screens, paper and readers that are read to."""
