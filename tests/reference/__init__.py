"""Second, obvious implementations that judge the engines; they share no code with the package."""
