"""Files: uploads that are inspected before they are kept, where they are stored, and how they are served."""
