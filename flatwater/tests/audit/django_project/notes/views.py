"""The views: one of each kind, and some that are ill."""

import time

from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views import View

SEEN = []


def home(request: HttpRequest) -> HttpResponse:
    SEEN.append(request.path)
    return HttpResponse("home")


def notes(request: HttpRequest) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute("select n from generate_series(1, 20) n")
        return JsonResponse({"items": [n for (n,) in cursor.fetchall()]})


class Note(View):
    def get(self, request: HttpRequest, number: int) -> HttpResponse:
        return JsonResponse({"number": number})

    def delete(self, request: HttpRequest, number: int) -> HttpResponse:
        return HttpResponse(status=204)


def one_by_one(request: HttpRequest) -> HttpResponse:
    with connection.cursor() as cursor:
        for number in range(20):
            cursor.execute("select %s::int", [number])
    return HttpResponse("done")


def held(request: HttpRequest) -> HttpResponse:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("select 1")
        time.sleep(float(request.GET.get("seconds", "0")))
    return HttpResponse("done")


def old(request: HttpRequest, number: str) -> HttpResponse:
    return HttpResponse(number)


def deep(request: HttpRequest) -> HttpResponse:
    return HttpResponse("deep")
