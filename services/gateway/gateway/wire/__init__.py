"""Messages generated from api/gateway/v1 by generate.sh; never edited by hand."""
