"""Parts of the climate-series benchmark."""
