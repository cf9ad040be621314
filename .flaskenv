FLASK_APP=nxfs.app:create_app
