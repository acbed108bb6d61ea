"""The formats that git stores and reads: objects, their lines for people, armor, status lines, signatures of other
programs.
"""
