"""The same training as others write it: one file a library, each as that library's own documentation recommends."""
