"""The list, the write and the figures with Django and its REST framework, as one finds them in most projects."""

from __future__ import annotations

import hashlib
import os
from typing import Any

import django
from django.conf import settings
from psycopg.conninfo import conninfo_to_dict

_at = conninfo_to_dict(os.environ["PEER_DATABASE"])
settings.configure(
    SECRET_KEY="a benchmark keeps none",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    MIDDLEWARE=["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": _at.get("dbname", ""),
            "USER": _at.get("user", ""),
            "PASSWORD": _at.get("password", ""),
            "HOST": _at.get("host", ""),
            "PORT": _at.get("port", ""),
            "CONN_MAX_AGE": 60,
            "OPTIONS": {"options": "-c default_transaction_read_only=off"},
        }
    },
    REST_FRAMEWORK={
        "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.LimitOffsetPagination",
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
        "PAGE_SIZE": 20,
        "UNAUTHENTICATED_USER": None,
    },
)
django.setup()

from django.core.wsgi import get_wsgi_application  # noqa: E402  Django's own modules want settings first
from django.db import models, transaction  # noqa: E402
from django.http import JsonResponse  # noqa: E402
from django.urls import path  # noqa: E402
from django.utils import timezone  # noqa: E402
from rest_framework import authentication, exceptions, generics, permissions, serializers, views  # noqa: E402
from rest_framework.response import Response  # noqa: E402

LEVELS = {
    "math": ["beginner", "number_1digit", "number_2digit", "subtraction", "division", "word_problems"],
    "language": ["beginner", "letter", "word", "paragraph", "story", "comprehension1", "comprehension2"],
}
STORY = 5


class Person(models.Model):
    username = models.TextField()
    role = models.TextField()
    is_active = models.BooleanField()
    deleted_at = models.DateTimeField(null=True)
    is_authenticated = True

    class Meta:
        app_label = "peers"
        managed = False
        db_table = "person"

    def may_reach(self, school_id: int, subject: str | None = None) -> bool:
        if self.role in ("admin", "coordinator"):
            return True
        held = self.assignment_set.filter(school_id=school_id, ended_at=None)
        return (held if subject is None else held.filter(subject=subject)).exists()


class Assignment(models.Model):
    person = models.ForeignKey(Person, models.CASCADE)
    school_id = models.BigIntegerField()
    subject = models.TextField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        app_label = "peers"
        managed = False
        db_table = "assignment"


class ApiToken(models.Model):
    id = models.UUIDField(primary_key=True)
    person = models.ForeignKey(Person, models.CASCADE)
    token_hash = models.BinaryField()
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        app_label = "peers"
        managed = False
        db_table = "api_token"


class Student(models.Model):
    id = models.UUIDField(primary_key=True)
    school_id = models.BigIntegerField()
    class_id = models.BigIntegerField(null=True)
    code = models.TextField()
    name = models.TextField()
    name_key = models.TextField()
    sex = models.SmallIntegerField()
    grade = models.SmallIntegerField()
    status = models.TextField()
    version = models.IntegerField()
    deleted_at = models.DateTimeField(null=True)

    class Meta:
        app_label = "peers"
        managed = False
        db_table = "student"


class Round(models.Model):
    state = models.TextField()
    starts_on = models.DateField()
    ends_on = models.DateField()

    class Meta:
        app_label = "peers"
        managed = False
        db_table = "round"


class Result(models.Model):
    id = models.UUIDField(primary_key=True)
    student = models.ForeignKey(Student, models.CASCADE)
    round = models.ForeignKey(Round, models.CASCADE)
    school_id = models.BigIntegerField()
    assessor = models.ForeignKey(Person, models.CASCADE)
    tested_on = models.DateField()
    subject = models.TextField()
    outcome = models.TextField()
    rank = models.SmallIntegerField(null=True)
    version = models.IntegerField(default=1)
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        app_label = "peers"
        managed = False
        db_table = "peer_result"


class AuditEntry(models.Model):
    at = models.DateTimeField(auto_now_add=True)
    person = models.ForeignKey(Person, models.CASCADE)
    action = models.TextField()
    resource_id = models.TextField()
    after = models.JSONField()

    class Meta:
        app_label = "peers"
        managed = False
        db_table = "peer_audit"


class TokenAuthentication(authentication.BaseAuthentication):
    def authenticate(self, request: Any) -> tuple[Person, ApiToken]:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        found = (
            ApiToken.objects.select_related("person")
            .filter(
                token_hash=hashlib.sha256(token.encode()).digest(),
                revoked_at=None,
                expires_at__gt=timezone.now(),
                person__is_active=True,
                person__deleted_at=None,
            )
            .first()
        )
        if found is None:
            raise exceptions.AuthenticationFailed
        return found.person, found


class IsSignedIn(permissions.BasePermission):
    def has_permission(self, request: Any, view: Any) -> bool:
        return request.user is not None


class StudentSerializer(serializers.ModelSerializer):
    class Meta:
        model = Student
        fields = ("id", "code", "name", "sex", "grade", "school_id", "class_id", "status", "version")


class ForSignedIn:
    authentication_classes = (TokenAuthentication,)
    permission_classes = (IsSignedIn,)


class StudentList(ForSignedIn, generics.ListAPIView):
    serializer_class = StudentSerializer

    def get_queryset(self) -> Any:
        school_id = int(self.request.query_params["school_id"])
        if not self.request.user.may_reach(school_id):
            raise exceptions.PermissionDenied
        return Student.objects.filter(school_id=school_id, deleted_at=None).order_by("name_key", "id")


class ResultSerializer(serializers.Serializer):
    id = serializers.UUIDField()
    student_id = serializers.PrimaryKeyRelatedField(
        source="student", queryset=Student.objects.filter(deleted_at=None)
    )
    round_id = serializers.PrimaryKeyRelatedField(source="round", queryset=Round.objects.all())
    subject = serializers.ChoiceField(choices=["language", "math"])
    outcome = serializers.ChoiceField(choices=["assessed", "absent", "refused", "left"], default="assessed")
    level = serializers.CharField(required=False, allow_null=True)
    tested_on = serializers.DateField()
    notes = serializers.CharField(required=False, allow_null=True, max_length=500)
    version = serializers.IntegerField(required=False, allow_null=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        level = attrs.get("level")
        if (attrs["outcome"] == "assessed") != (level in LEVELS[attrs["subject"]]):
            raise serializers.ValidationError({"level": "There is no such level."})
        round_ = attrs["round"]
        if round_.state != "open" or not round_.starts_on <= attrs["tested_on"] <= round_.ends_on:
            raise serializers.ValidationError({"round_id": "This round is not open."})
        return attrs


class ResultEntry(ForSignedIn, views.APIView):
    @transaction.atomic
    def post(self, request: Any) -> Response:
        serializer = ResultSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        sent = serializer.validated_data
        if not request.user.may_reach(sent["student"].school_id, sent["subject"]):
            raise exceptions.PermissionDenied
        known = Result.objects.select_for_update().filter(
            student=sent["student"], round=sent["round"], subject=sent["subject"]
        )
        result = known.first()
        if result is not None and result.version != sent.get("version"):
            return Response({"code": "stale"}, status=409)
        code = "saved" if result is None else "changed"
        if result is None:
            result = Result(
                id=sent["id"],
                student=sent["student"],
                round=sent["round"],
                subject=sent["subject"],
                school_id=sent["student"].school_id,
                version=0,
            )
        level = sent.get("level")
        result.assessor = request.user
        result.tested_on = sent["tested_on"]
        result.outcome = sent["outcome"]
        result.rank = LEVELS[sent["subject"]].index(level) + 1 if level else None
        result.version += 1
        result.save(force_insert=code == "saved")
        AuditEntry.objects.create(
            person=request.user, action="enter", resource_id=str(result.id), after=dict(request.data)
        )
        answer = {"id": str(sent["id"]), "code": code, "result_id": str(result.id), "version": result.version}
        return Response(answer, status=201)


class Figures(ForSignedIn, views.APIView):
    def get(self, request: Any) -> Response:
        round_id, subject = int(request.query_params["round_id"]), request.query_params["subject"]
        rows = (
            Result.objects.filter(round_id=round_id, subject=subject)
            .values("outcome", "rank")
            .annotate(count=models.Count("id"))
        )
        counts = {(row["outcome"], row["rank"]): row["count"] for row in rows}
        enrolled = Student.objects.filter(status="active", deleted_at=None).count()
        assessed = sum(count for (outcome, _), count in counts.items() if outcome == "assessed")
        levels = [
            {
                "rank": rank,
                "level": level,
                "count": counts.get(("assessed", rank), 0),
                "share": counts.get(("assessed", rank), 0) / assessed if assessed else 0.0,
            }
            for rank, level in enumerate(LEVELS[subject], 1)
        ]
        return Response(
            {
                "round_id": round_id,
                "subject": subject,
                "enrolled": enrolled,
                "assessed": assessed,
                "absent": sum(count for (outcome, _), count in counts.items() if outcome == "absent"),
                "coverage": assessed / enrolled if enrolled else 0.0,
                "levels": levels,
                "story_or_division": sum(each["share"] for each in levels if each["rank"] >= STORY),
            }
        )


def version(_request: Any) -> JsonResponse:
    return JsonResponse({"version": "1"})


urlpatterns = [
    path("version", version),
    path("api/v1/students", StudentList.as_view()),
    path("api/v1/results", ResultEntry.as_view()),
    path("api/v1/figures", Figures.as_view()),
]
application = get_wsgi_application()
