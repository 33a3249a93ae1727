"""The list, the write and the figures with FastAPI, SQLAlchemy's ORM and pydantic, as one finds them in most projects."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Depends, FastAPI, Header, HTTPException, Query
from psycopg.conninfo import conninfo_to_dict
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import BigInteger, ForeignKey, LargeBinary, SmallInteger, Text, func, select
from sqlalchemy.dialects.postgresql import ENUM, JSONB
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

LEVELS = {
    "math": ["beginner", "number_1digit", "number_2digit", "subtraction", "division", "word_problems"],
    "language": ["beginner", "letter", "word", "paragraph", "story", "comprehension1", "comprehension2"],
}
STORY = 5

engine = create_async_engine(
    "postgresql+psycopg://",
    connect_args={
        **conninfo_to_dict(os.environ["PEER_DATABASE"]),
        "options": "-c default_transaction_read_only=off",
    },
    pool_size=3,
    max_overflow=0,
)
SessionMaker = async_sessionmaker(engine, expire_on_commit=False)


class Base(DeclarativeBase):
    pass


class Person(Base):
    __tablename__ = "person"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    username: Mapped[str] = mapped_column(Text)
    role: Mapped[str] = mapped_column(
        ENUM("admin", "coordinator", "mentor", "teacher", "viewer", name="role")
    )
    is_active: Mapped[bool]
    deleted_at: Mapped[datetime | None]
    assignments: Mapped[list[Assignment]] = relationship(lazy="selectin")


class Assignment(Base):
    __tablename__ = "assignment"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    school_id: Mapped[int] = mapped_column(BigInteger)
    subject: Mapped[str] = mapped_column(ENUM("language", "math", name="subject"))
    ended_at: Mapped[datetime | None]


class ApiToken(Base):
    __tablename__ = "api_token"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    token_hash: Mapped[bytes] = mapped_column(LargeBinary)
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    person: Mapped[Person] = relationship(lazy="joined", innerjoin=True)


class Student(Base):
    __tablename__ = "student"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    school_id: Mapped[int] = mapped_column(BigInteger)
    class_id: Mapped[int | None] = mapped_column(BigInteger)
    code: Mapped[str]
    name: Mapped[str]
    name_key: Mapped[str]
    sex: Mapped[int] = mapped_column(SmallInteger)
    grade: Mapped[int] = mapped_column(SmallInteger)
    status: Mapped[str] = mapped_column(ENUM("active", "left", name="student_status"))
    version: Mapped[int]
    deleted_at: Mapped[datetime | None]


class Round(Base):
    __tablename__ = "round"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    state: Mapped[str] = mapped_column(ENUM("planned", "open", "closed", "frozen", name="round_state"))
    starts_on: Mapped[date]
    ends_on: Mapped[date]


class Result(Base):
    __tablename__ = "peer_result"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    student_id: Mapped[UUID] = mapped_column(ForeignKey("student.id"))
    round_id: Mapped[int] = mapped_column(ForeignKey("round.id"))
    school_id: Mapped[int] = mapped_column(BigInteger)
    assessor_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    tested_on: Mapped[date]
    subject: Mapped[str]
    outcome: Mapped[str]
    rank: Mapped[int | None] = mapped_column(SmallInteger)
    version: Mapped[int] = mapped_column(default=1)
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now())


class AuditEntry(Base):
    __tablename__ = "peer_audit"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    action: Mapped[str]
    resource_id: Mapped[str]
    after: Mapped[dict[str, Any]] = mapped_column(JSONB)


class StudentOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    code: str
    name: str
    sex: int
    grade: int
    school_id: int
    class_id: int | None
    status: str
    version: int


class ResultIn(BaseModel):
    id: UUID
    student_id: UUID
    round_id: int
    subject: Literal["language", "math"]
    outcome: Literal["assessed", "absent", "refused", "left"] = "assessed"
    level: str | None = None
    tested_on: date
    method: str = "direct"
    notes: str | None = Field(default=None, max_length=500)
    version: int | None = None


class ResultOut(BaseModel):
    id: UUID
    code: str
    result_id: UUID
    version: int


class LevelCount(BaseModel):
    rank: int
    level: str
    count: int
    share: float


class FiguresOut(BaseModel):
    round_id: int
    subject: str
    enrolled: int
    assessed: int
    absent: int
    coverage: float
    levels: list[LevelCount]
    story_or_division: float


async def get_session() -> AsyncIterator[AsyncSession]:
    async with SessionMaker() as session:
        yield session


Session = Annotated[AsyncSession, Depends(get_session)]


async def current_person(session: Session, authorization: Annotated[str, Header()] = "") -> Person:
    token = authorization.removeprefix("Bearer ")
    found = await session.scalar(
        select(ApiToken).where(
            ApiToken.token_hash == hashlib.sha256(token.encode()).digest(),
            ApiToken.revoked_at.is_(None),
            ApiToken.expires_at > datetime.now(UTC),
        )
    )
    if found is None or not found.person.is_active or found.person.deleted_at is not None:
        raise HTTPException(401, "Please sign in first.")
    return found.person


Who = Annotated[Person, Depends(current_person)]
app = FastAPI()


def may_reach(person: Person, school_id: int, subject: str | None = None) -> bool:
    return person.role in ("admin", "coordinator") or any(
        each.school_id == school_id and each.ended_at is None and subject in (None, each.subject)
        for each in person.assignments
    )


@app.get("/version")
async def version() -> dict[str, str]:
    return {"version": "1"}


@app.get("/api/v1/students", response_model=list[StudentOut])
async def list_students(
    session: Session,
    person: Who,
    school_id: int,
    limit: Annotated[int, Query(ge=1, le=1000)] = 20,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> Any:
    if not may_reach(person, school_id):
        raise HTTPException(403, "You may not do this.")
    found = await session.scalars(
        select(Student)
        .where(Student.school_id == school_id, Student.deleted_at.is_(None))
        .order_by(Student.name_key, Student.id)
        .limit(limit)
        .offset(offset)
    )
    return found.all()


@app.post("/api/v1/results", status_code=201, response_model=ResultOut)
async def enter_result(session: Session, person: Who, body: ResultIn) -> Any:
    student = await session.get(Student, body.student_id)
    if student is None or student.deleted_at is not None:
        raise HTTPException(404, "There is no such child.")
    if not may_reach(person, student.school_id, body.subject):
        raise HTTPException(403, "You may not do this.")
    round_ = await session.get(Round, body.round_id)
    if round_ is None:
        raise HTTPException(404, "There is no such round.")
    if round_.state != "open" or not round_.starts_on <= body.tested_on <= round_.ends_on:
        raise HTTPException(409, "This round is not open.")
    if (body.outcome == "assessed") != (body.level in LEVELS[body.subject]):
        raise HTTPException(422, "There is no such level.")
    rank = LEVELS[body.subject].index(body.level) + 1 if body.level else None
    result = await session.scalar(
        select(Result)
        .where(
            Result.student_id == body.student_id,
            Result.round_id == body.round_id,
            Result.subject == body.subject,
        )
        .with_for_update()
    )
    if result is not None and result.version != body.version:
        raise HTTPException(409, "Somebody changed this in the meantime.")
    code = "saved" if result is None else "changed"
    if result is None:
        result = Result(
            id=body.id,
            student_id=body.student_id,
            round_id=body.round_id,
            subject=body.subject,
            school_id=student.school_id,
            version=0,
        )
        session.add(result)
    result.assessor_id = person.id
    result.tested_on = body.tested_on
    result.outcome = body.outcome
    result.rank = rank
    result.version += 1
    session.add(
        AuditEntry(
            person_id=person.id,
            action="enter",
            resource_id=str(result.id),
            after=body.model_dump(mode="json"),
        )
    )
    await session.commit()
    return ResultOut(id=body.id, code=code, result_id=result.id, version=result.version)


@app.get("/api/v1/figures", response_model=FiguresOut)
async def figures(session: Session, person: Who, round_id: int, subject: Literal["language", "math"]) -> Any:
    rows = await session.execute(
        select(Result.outcome, Result.rank, func.count())
        .where(Result.round_id == round_id, Result.subject == subject)
        .group_by(Result.outcome, Result.rank)
    )
    counts = {(outcome, rank): count for outcome, rank, count in rows.all()}
    enrolled = await session.scalar(
        select(func.count()).where(Student.status == "active", Student.deleted_at.is_(None))
    )
    assessed = sum(count for (outcome, _), count in counts.items() if outcome == "assessed")
    levels = [
        LevelCount(
            rank=rank,
            level=level,
            count=counts.get(("assessed", rank), 0),
            share=counts.get(("assessed", rank), 0) / assessed if assessed else 0.0,
        )
        for rank, level in enumerate(LEVELS[subject], 1)
    ]
    return FiguresOut(
        round_id=round_id,
        subject=subject,
        enrolled=enrolled or 0,
        assessed=assessed,
        absent=sum(count for (outcome, _), count in counts.items() if outcome == "absent"),
        coverage=assessed / enrolled if enrolled else 0.0,
        levels=levels,
        story_or_division=sum(each.share for each in levels if each.rank >= STORY),
    )
