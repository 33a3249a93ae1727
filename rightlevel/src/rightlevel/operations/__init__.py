"""Operations: upkeep, reconcile, and what else keeps a running platform right."""
