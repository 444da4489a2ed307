// What pages do beyond HTML. They work without it.
