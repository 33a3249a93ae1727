"""The addresses: of the project itself, of an application that is included, and of a list in a variable."""

from django.urls import include, path, re_path
from notes import views

api = [
    path("notes/", views.notes),
    path("notes/<int:number>/", views.Note.as_view()),
    path("notes/each/", views.one_by_one),
    path("notes/held/", views.held),
]

urlpatterns = [
    path("", views.home),
    path("api/v1/", include(api)),
    re_path(r"^old/(?P<number>[0-9]+)/$", views.old),
    path("more/", include("notes.urls")),
]
