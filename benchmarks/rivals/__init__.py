"""What PgHero and pg-extras ask a server, in our own words; README.md says of which versions and how near it is."""
