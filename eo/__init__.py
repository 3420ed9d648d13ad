"""Counts tankers and weighs their cargo from open satellite scenes, with error bars."""
