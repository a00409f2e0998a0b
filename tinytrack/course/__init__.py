"""A course in a box: notebooks that hold only the exercises, versions with solutions for teachers, and marks for submissions."""
