"""Where the warehouse room answers: nowhere of its own; orders and tasks_app speak for it."""

from django.urls import URLPattern

pages: list[URLPattern] = []
api: list[URLPattern] = []
